package upgrader

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holdBack blocks signals in this thread, whose mask the new program gets: without that,
// signals would end the process before it handles them. Package os/signal unblocks
// signals when signal.Notify is called; children of the new program have to unblock them
// themselves.
func holdBack(signals []syscall.Signal) (before *unix.Sigset_t, err error) {
	before = new(unix.Sigset_t)
	var set unix.Sigset_t
	for _, sig := range signals {
		word, bit := setBit(sig)
		set.Val[word] |= 1 << bit
	}
	return before, unix.PthreadSigmask(unix.SIG_BLOCK, &set, before)
}

// setBit is the place of a signal in a set.
func setBit(sig syscall.Signal) (word, bit int) {
	const size = 8 * int(unsafe.Sizeof(unix.Sigset_t{}.Val[0]))
	return (int(sig) - 1) / size, (int(sig) - 1) % size
}

// takenWithin is the time that another thread may need to take a signal: it has to be
// scheduled for that.
const takenWithin = 200 * time.Millisecond

// awaitTaken waits until no signal is pending for the other threads of this process,
// which do not block signals. A signal that is still pending afterwards waits for the new
// program.
func awaitTaken(signals []syscall.Signal) {
	for end := time.Now().Add(takenWithin); pending(signals) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// pending says whether one of these signals, which this thread holds back, has come and
// was not taken.
func pending(signals []syscall.Signal) bool {
	const kernelSize = 8 // bytes of the kernel's set
	var set unix.Sigset_t
	if _, _, errno := unix.RawSyscall(unix.SYS_RT_SIGPENDING, uintptr(unsafe.Pointer(&set)), kernelSize, 0); errno != 0 {
		return false
	}
	for _, sig := range signals {
		if word, bit := setBit(sig); set.Val[word]&(1<<bit) != 0 {
			return true
		}
	}
	return false
}
