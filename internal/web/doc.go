// Package web is the page that shows all apps of this machine, and what programs ask at the same
// address: /metrics for Prometheus, /livez, /readyz, and /v1/apps as JSON.
//
//	control sockets ─► machineview.Masters ─► machineview.Viewer ─► hub ─► /v1/stream ─► page/web.js
//	                           └─► metrics, /readyz, /v1/apps        actions ◄─ POST
//
// Masters asks each master separately, so that one that does not answer delays no other. hub looks
// twice a second while a page is open, and not at all otherwise. guard refuses requests that other
// web sites cause; a client with the token may act and read what programs have said. Without the
// token there are names, states, addresses and numbers only.
package web
