package config

// Capture says whether programs that bind their own port get the master's sockets.
type Capture string

// The choices.
const (
	CaptureAuto Capture = "auto" // they do, where the kernel can do it
	CaptureOff  Capture = "off"  // their binds are their own affair
)

// Balance is how the workers share the addresses that their programs bind.
type Balance string

// The choices.
const (
	// BalanceAuto is BalanceEven where it can be, on TCP, and BalanceShared elsewhere.
	BalanceAuto Balance = "auto"
	// BalanceShared: one socket, on which all workers accept.
	BalanceShared Balance = "shared"
	// BalanceEven: a socket a worker. New connections are spread evenly over those that
	// serve, and a worker that leaves gets none.
	BalanceEven Balance = "even"
)
