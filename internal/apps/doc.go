// Package apps is what this machine knows of its apps beside the masters that run: what was
// started, from which file, and how to start it again.
//
// A Definition is one document in the state directory of the app. It names a configuration
// file, the user's own or one that Start has written from flags, and which app of it is
// meant. Start runs a detached master for it: "relevo run -c FILE" in a session of its own,
// its input empty and its output in the app's log directory. The control socket tells when
// the app serves, the end of the process that it does not; then nothing of the start stays
// but what was there before. Nothing watches the masters: no process runs for all of them.
// All joins the definitions with the control sockets: what runs and what could.
package apps
