// Package sleep decides when an app has been without clients for so long that no worker is
// needed. It reads no clock and asks no worker: package sleeper looks, puts the pool to sleep, and
// waits for the client that wakes it.
//
//	Sample ─► busy: by connections, clients that came, what the workers say, their CPU time ─► Decision
//
// An app is idle since the last look that found something. A look takes place often enough that
// a twentieth of the time without clients passes between two, 30 seconds at most.
package sleep
