// Package apps remembers the apps of this machine that run in the background: what was
// started, from which file, and how to start it again.
//
// A Definition is one document in the state directory of an app. It names a configuration
// file, which belongs to the user or was written by Start from flags, and the app in it.
// Start runs a detached master for it: "relevo run -c FILE" in a session of its own, with
// empty input and its output in the app's log directory. The control socket shows when the
// app serves. If the process ends before that, the start has failed, and Start restores what
// was there before. There is no process that watches the masters. All joins definitions and
// control sockets: it lists what runs and what could run.
package apps
