// Package reaper does what init does for orphans: it reaps those that the kernel gives to this
// process (PID 1 of a container, or a PR_SET_CHILD_SUBREAPER, prctl(2)), and leaves this process's
// own children to the code that waits for them.
//
// A loop around wait4(-1) would reap both, and the owner of a child would get ECHILD instead of an
// exit status. So own children are registered: they are made in Start, or passed to Register, and
// reaped in Reap. While one of these calls is under way no process is reaped, because between the
// fork and the registration an own child looks like an orphan.
//
// It costs nothing while nothing dies: SIGCHLD is all that it waits for.
package reaper
