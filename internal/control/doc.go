// Package control is the interface to a running master: HTTP and JSON over a Unix socket. So
// curl can do everything that the command line can:
//
//	curl --unix-socket /run/relevo/web.sock http://relevo/v1/status
//
//	GET  /v1/status                     the pool as JSON (type Status)
//	POST /v1/reload  {"wait":true,"force":false}  read the configuration and roll; answers with
//	                                    pool.RollResult, or 202 with wait false; force tries bytes that failed;
//	                                    "canary":"10m" and "share":"5%" are the probation of this roll
//	POST /v1/promote                    end the canary's probation well (type pool.Canary)
//	POST /v1/abort                      end the roll, back to the old generation; answers with pool.RollResult
//	GET  /v1/plan                       what a reload would change (type Plan)
//	GET  /v1/releases                   the releases that are known (type Releases)
//	POST /v1/prune                      remove the unused copies (type Pruned)
//	POST /v1/rollback {"to":"ab12cd"}   roll to a kept release; without "to" to the last good one
//	POST /v1/scale   {"workers":"+1"}   a number, +N, -N or auto
//	POST /v1/recycle {"slot":0}         replace the slot's worker by a new one; answers at once (type Recycled)
//	POST /v1/upgrade                    replace the master by what its program's path holds (type Upgraded)
//	POST /v1/handover {"to":"/run/x"}   pass everything to a process that waits at that socket (type Upgraded)
//	POST /v1/wait    {"generation":2}   wait for a roll that a previous master has begun
//	GET  /v1/metrics                    for Prometheus, in its text format or as OpenMetrics
//	POST /v1/stop    {"force":false}    202; the connection of /v1/events ends with the pool
//	GET  /v1/recent                     what has happened lately, a list of pool.Entry
//	GET  /v1/events                     NDJSON of pool.Event, live, until the pool ends
//	POST /v1/send    {"slot":0,"data":…}        an application message to workers
//	POST /v1/signal  {"slot":0,"signal":"USR1"} a signal to workers
//
// send and signal take "slot" or "id"; with neither they mean every worker. An
// error is {"error":"cannot …","exit":N}, N being the exit code of the command
// line. The version in the path changes when an old client could misunderstand.
//
// The socket has mode 0600, and the kernel is asked for the user at the other end of each
// connection (SO_PEERCRED): only the master's own user and root are let in.
package control
