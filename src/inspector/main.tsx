import { render } from 'preact';
import { App } from './app.tsx';
import { startPlaces } from './data/place.ts';

startPlaces();
const root = document.getElementById('page');
if (root) render(<App />, root);
