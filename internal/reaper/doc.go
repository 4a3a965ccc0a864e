// Package reaper takes the place of an init: it reaps the orphans that the kernel
// gives to this process (PID 1 of a container, or a PR_SET_CHILD_SUBREAPER,
// prctl(2)) and leaves this process's own children to whoever waits for them.
//
// A loop around wait4(-1) would reap both, and the owner of a child would get
// ECHILD where it waits for an exit status. So own children are registered: they
// are born in Start, or told to Register, and end in Reap. While one of these calls
// is under way nobody is reaped, because between the fork and the registration
// an own child looks like a stranger.
//
// It costs nothing while nothing dies: SIGCHLD is all that it waits for.
package reaper
