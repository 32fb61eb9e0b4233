/** One broker from its published jars, in KRaft mode. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Finisher, freePorts, makeFolder, type Program, startProgram } from './process.ts';

export interface Broker extends Program {
  readonly address: string;
}

/** @param jars a folder with kafka_2.13 and what it needs */
export async function startBroker(context: Finisher, jars: string, partitions: number = 4): Promise<Broker> {
  const [port, controllerPort] = await freePorts(2);
  const folder = makeFolder(context);
  const config = join(folder, 'server.properties');
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(folder, 'data'),
    'num.partitions': partitions,
    // One broker, and nobody to wait for.
    'offsets.topic.num.partitions': 1,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(config, lines.join(''));
  const classpath = ['-cp', join(jars, '*')];
  const format = ['kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qg', '-c', config];
  const { status, stderr } = spawnSync('java', [...classpath, ...format], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the broker's folder could not be made ready: ${stderr}`);
  const program = startProgram(context, 'java', ['-Xmx256m', ...classpath, 'kafka.Kafka', config]);
  await isListening(program, Number(port));
  return { ...program, address: `127.0.0.1:${port}` };
}

/** The broker logs nothing here, so the port tells. */
async function isListening(program: Program, port: number): Promise<void> {
  const { connect } = await import('node:net');
  let over: number | string | undefined;
  void program.ended.then((code) => {
    over = code;
  });
  for (;;) {
    if (over !== undefined) throw new Error(`the broker ended with ${over}: ${program.output()}`);
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('close', () => resolve(false));
      socket.on('connect', () => socket.end());
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
