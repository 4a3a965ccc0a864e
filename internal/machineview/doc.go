// Package machineview is all apps of this machine as one model, which list, monit and the page
// show: the same numbers under the same names.
//
//	control sockets ─► apps.All, or Masters ─┐
//	/proc, sock_diag ────────────────────────┴─► Viewer.Look ─► View
//
// A Viewer remembers the look before, so that it can tell how much processor time was used
// since, and the last minutes as History. It runs nothing by itself: the code that shows a
// View asks for the next one.
package machineview
