/** ES modules are resolved from where `import()` is written: here, in the project that has the SDK. */
export const load = (specifier) => import(specifier);
