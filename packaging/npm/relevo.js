#!/usr/bin/env node
'use strict';
// Runs relevo's own program, which npm has installed as an optional dependency for this platform.

const { spawn } = require('node:child_process');
const { constants } = require('node:os');
const tty = require('node:tty');

const platform = `${process.platform}-${process.arch}`;
const packages = Object.keys(require('../package.json').optionalDependencies);

function fail(...lines) {
  console.error(lines.join('\n'));
  process.exit(1);
}

function findProgram() {
  const name = `@relevo/${platform}`;
  try {
    return require.resolve(`${name}/bin/relevo`);
  } catch {
    if (!packages.includes(name)) {
      fail(`relevo: cannot run on ${platform}: there is no package for it.`,
        `There are: ${packages.map(known => known.replace('@relevo/', '')).join(', ')}.`);
    }
    fail(`relevo: cannot find its program: the package ${name} is not installed.`,
      'npm leaves it out with --omit=optional (or --no-optional), and with a package-lock.json that was written on',
      'another platform by an older npm. Install without --omit=optional; if the lock file is the cause, remove',
      'node_modules and package-lock.json first.');
  }
}

// Where Node can, this process becomes relevo: process id and signals are relevo's then.
function become(program, args) {
  if (typeof process.execve !== 'function') return;
  process.emitWarning = () => {}; // that execve is experimental
  try {
    process.execve(program, [program, ...args], process.env);
  } catch {
    // Not in a worker thread, and not with Node's permission model: run it as a child.
  }
}

// Elsewhere relevo is a child, which gets this process's signals, and whose end is this process's end.
function run(program, args) {
  const child = spawn(program, args, { stdio: 'inherit' });
  // A terminal sends these to the child as well: twice would be force.
  const fromTerminal = tty.isatty(0) ? ['SIGINT', 'SIGQUIT', 'SIGHUP'] : [];
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU']) {
    process.on(signal, () => {
      if (!fromTerminal.includes(signal)) child.kill(signal);
    });
  }
  child.on('error', error => fail(`relevo: cannot start ${program}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    setTimeout(() => process.exit(128 + constants.signals[signal]), 1000); // where the signal does not end it
  });
}

const program = findProgram();
become(program, process.argv.slice(2));
run(program, process.argv.slice(2));
