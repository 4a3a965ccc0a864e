'use strict';
// Loaded by relevo into its Node workers, before the program (node --require).
// --no-preload leaves it out.
//
// When the worker has to leave, it ends the connections that cannot be handed to another
// worker, each in its protocol's own way: HTTP/2 by GOAWAY, HTTP/1 inside TLS by
// "Connection: close", WebSockets by a close frame (1001).
//
// If the program sends a connection or a server with a message, the message goes without it.
// The kernel may refuse to pass a descriptor to the master; then Node would wait forever, and
// send no later message.
//
// With node_load it reports each second how busy the event loop was, until the program
// reports a load itself.
//
// A master that was killed may have left requests without an answer. When the next master asks,
// the worker sends them again, and names its open servers. Until there is a next master, the
// worker keeps serving.

// Processes that the program starts must not load this file, because they are not workers.
const mine = `--require ${JSON.stringify(__filename)}`;
const options = process.env.NODE_OPTIONS;
if (options && options.endsWith(mine)) {
  const rest = options.slice(0, -mine.length).trimEnd();
  if (rest) process.env.NODE_OPTIONS = rest;
  else delete process.env.NODE_OPTIONS;
}

const reportsLoad = process.env.RELEVO_NODE_LOAD;
delete process.env.RELEVO_NODE_LOAD;

if (process.channel && process.send) install(); // not in a thread

function install() {
  const net = require('node:net'); // it is there already, for the channel
  const known = new WeakSet();
  const servers = new Set(), sessions = new Set(), secure = new Set();
  const unanswered = new Map(), open = new Set(); // requests by their numbers, servers by their keys
  let leaving = false, told = false, reporting;

  const send = process.send;
  process.send = function (message, handle, ...more) {
    if (!isHandle(handle)) {
      noteRequest(message);
      if (message && message.relevo === 'load') clearInterval(reporting);
      return send.call(this, message, handle, ...more);
    }
    say('sent');
    const keeps = more[0] && more[0].keepOpen;
    if (handle instanceof net.Socket && !keeps) setImmediate(() => handle.destroy());
    return send.call(this, message, undefined, ...more);
  };

  // isHandle says whether Node can send this value: a net.Socket or net.Server, a dgram.Socket,
  // or one of their native handles. For any other value Node throws an error.
  function isHandle(one) {
    if (one === null || typeof one !== 'object') return false;
    if (one instanceof net.Socket || one instanceof net.Server) return true;
    const native = one.constructor && one.constructor.name;
    return typeof one.addMembership === 'function' || ['TCP', 'Pipe', 'UDP'].includes(native);
  }

  const say = (act, more) => process.connected && send.call(process, { cmd: 'NODE_RELEVO', act, ...more }, () => {});

  // guarded returns a function that throws nothing: if another version of Node differs from what
  // this file expects, the program must not end because of that.
  const guarded = (does) => (...args) => {
    try { return does(...args); } catch { return undefined; }
  };

  process.on('internalMessage', guarded((message) => {
    if (message.cmd !== 'NODE_RELEVO') {
      noteAnswer(message);
      return leaving || findServers(); // one may listen now
    }
    if (message.act === 'leave') leave();
    if (message.act === 'deadline') closeWebSockets();
    if (message.act === 'again') askAgain();
  }));
  say('preloaded', { node: process.versions.node });
  guarded(outliveMaster)();
  if (reportsLoad) guarded(reportLoad)();

  // outliveMaster keeps the worker alive when its channel closes, where Node's cluster would end
  // it. The worker still has its sockets if the master was killed, and the next master adopts or
  // ends it.
  function outliveMaster() {
    const { worker } = require('node:cluster'); // it is there already
    if (worker) process.prependListener('disconnect', () => { worker.exitedAfterDisconnect = true; });
  }

  function reportLoad() {
    const { performance } = require('node:perf_hooks');
    let before = performance.eventLoopUtilization(), last;
    reporting = setInterval(guarded(() => {
      const now = performance.eventLoopUtilization();
      const value = Number(performance.eventLoopUtilization(now, before).utilization.toFixed(2));
      before = now;
      if (value === last || !process.connected) return;
      last = value;
      send.call(process, { relevo: 'load', value, measured: true }, () => {});
    }), 1000).unref();
  }

  // noteRequest remembers requests to the primary for which Node's cluster waits.
  function noteRequest(message) {
    if (message === null || typeof message !== 'object' || message.cmd !== 'NODE_CLUSTER') return;
    if (message.act === 'queryServer' || message.act === 'exitedAfterDisconnect') unanswered.set(message.seq, message);
    if (message.act === 'close') open.delete(message.key);
  }

  function noteAnswer(message) {
    const request = message.cmd === 'NODE_CLUSTER' && unanswered.get(message.ack);
    if (!request) return;
    unanswered.delete(message.ack);
    if (request.act === 'queryServer' && !message.errno) open.add(message.key);
  }

  // askAgain serves a master whose predecessor was killed. An answer of the predecessor has
  // arrived before this question, or never comes.
  function askAgain() {
    say('open', { keys: [...open] });
    for (const request of unanswered.values()) {
      send.call(process, { ...request, again: true }, undefined, () => {});
    }
  }

  function findServers() {
    for (const server of process._getActiveHandles()) {
      if (!(server instanceof net.Server) || known.has(server)) continue;
      known.add(server);
      servers.add(server);
      server.once('close', () => servers.delete(server));
      server.on('session', guarded((session) => keep(sessions, session)));
      server.on('secureConnection', guarded((socket) => keep(secure, socket)));
    }
  }

  function keep(all, one) {
    all.add(one);
    one.once('close', () => all.delete(one));
    if (leaving && all === sessions) endSession(one);
  }

  function leave() {
    if (!leaving) {
      leaving = true;
      findServers();
      for (const server of servers) server.prependListener('request', guarded(lastRequest));
      for (const session of sessions) endSession(session);
      honourHandlers();
      setInterval(guarded(report), 20).unref();
    }
    told = false;
    report();
  }

  // report says once when nothing is left that relevo has to wait for.
  function report() {
    if (told || sessions.size > 0) return;
    for (const socket of secure) if (speaksHTTP(socket)) return;
    if (webSockets().length > 0) return;
    told = true;
    say('clear');
  }

  function speaksHTTP(socket) {
    return listens(socket.server, 'request') > 0;
  }

  function lastRequest(request, response) {
    if (request.httpVersionMajor < 2 && request.socket && request.socket.encrypted) {
      response.shouldKeepAlive = false;
    }
  }

  // endSession tells the client to open no more streams, waits for those that are already on
  // their way, and closes the session after the last one.
  function endSession(session) {
    if (session.destroyed || session.closed) return;
    session.goaway(0, 2 ** 31 - 1);
    setTimeout(guarded(() => session.destroyed || session.close()), 500).unref();
  }

  function listens(server, event) {
    return server ? server.listenerCount(event) : 0;
  }

  // webSockets returns the connections that have changed from HTTP/1 to WebSocket.
  function webSockets() {
    const all = [...process._getActiveHandles(), ...secure];
    return all.filter((socket) => socket instanceof net.Socket && !socket.destroyed && !socket.parser &&
      socket.alpnProtocol !== 'h2' && listens(socket.server, 'upgrade') > 0 &&
      (socket.encrypted || listens(socket.server, 'secureConnection') < 2)); // not the TCP socket below TLS; one of the listeners is ours
  }

  function closeWebSockets() {
    for (const socket of webSockets()) {
      const symbol = Object.getOwnPropertySymbols(socket).find((s) => s.description === 'websocket'); // of the module ws
      if (symbol && socket[symbol] && typeof socket[symbol].close === 'function') socket[symbol].close(1001);
      else socket.end(Buffer.from([0x88, 2, 0x03, 0xe9]));
    }
  }

  // honourHandlers calls the handlers by which a program written for PM2 ends: PM2 sends SIGINT,
  // or the message "shutdown".
  function honourHandlers() {
    const handles = (signal) => process.listenerCount(signal) > 0;
    const [term, int] = [handles('SIGTERM'), handles('SIGINT')];
    const message = process.listeners('message').some((listener) => /['"`]shutdown['"`]/.test(String(listener)));
    const shutdown = () => process.emit('message', 'shutdown');
    if (!int && message) process.on('SIGINT', shutdown);
    if (term) return;
    if (int) process.on('SIGTERM', () => process.emit('SIGINT', 'SIGINT', 2));
    else if (message) process.on('SIGTERM', shutdown);
  }
}
