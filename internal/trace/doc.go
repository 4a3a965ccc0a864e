// Package trace makes an OpenTelemetry trace of each roll, and sends it by OTLP over HTTP.
//
//	events ─► Recorder ─► Trace ─► Exporter ─► POST /v1/traces
//
// A trace has one span for the roll. Below it are one span for the canary, and one for each slot
// whose worker was replaced or put back. Commands that wait for a roll make traces of the events
// that they receive anyway; relevo web receives the events of all masters (Follower). The master
// itself sends nothing.
//
// Why not OpenTelemetry's own library: each worker is started by this program, so each start pays
// for what its packages do before main. The library and its exporter are 95 packages, which add
// 1.3 ms and 230 KB to each start; this package adds nothing.
package trace
