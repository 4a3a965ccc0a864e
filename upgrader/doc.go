// Package upgrader is how one master becomes the next. Everything that makes an app and must
// outlive a master is its Legacy: one document, and named files. The next master gets it as
// Received. It goes one of four ways: tableflip (Flip), exec in place (InPlace), a socket at
// which the next master waits (Meeting, Flip.HandOver), or a service manager's store
// (NewReceived). This package is the only importer of tableflip.
//
// What the files are is not known here: package listeners has the sockets.
package upgrader
