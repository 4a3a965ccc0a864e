// Package generations makes the generations of an app, and knows which one serves. A
// generation is a release of the program, the configuration that it is started with, and the
// sockets that its workers get.
//
//	configuration ─► Prepare ─► Generation ─► Want ─► the pool rolls to it
//	                  │    │                              │
//	                  │    └ Launcher: bytes              │ Follow: each step of the roll
//	                  └ Sockets: Acquire                  ▼
//	                      one Hold for each          StepBegan   Listen   its sockets can be listened on
//	                      generation; a socket       StepCanary  Open     clients of the others wait
//	                      closes with its last       StepEnded   Serve    the others are parked
//	                      holder                          │
//	                                                      ▼
//	Drop ◄─ known to be bad                    Serving, Wanted; Judge: verdicts on releases
//
// Programs that bind for themselves get sockets through capturing, which is the launcher's
// view of a Hold. Legacy and TakeOver carry all of it from one master to the next.
package generations
