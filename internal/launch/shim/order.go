package shim

// Variable makes a program that imports this package a shim, before its main function is called. Its
// value is the number of the descriptor on which the shim reads its order and answers.
const Variable = "RELEVO_SHIM"

// Order tells the shim what to exec. The master writes its Bytes and closes its direction of the
// channel.
type Order struct {
	Path      string // the file to exec
	FD        int    // descriptor of the same file; 0: it is run by its path
	Args      []string
	Env       []string // without LISTEN_PID
	Dir       string   // for messages
	DirFD     int      // of the working directory
	ListenPID bool     // set LISTEN_PID
	Watchdog  bool     // set WATCHDOG_PID
	Capture   bool     // have the program's binds captured
	Limits    Limits
	Keep      int // descriptors from here on are closed by the exec
	Calls     Calls
}

// Calls are the numbers of system calls that package syscall does not know on every machine. The
// master has them from golang.org/x/sys/unix, which the shim cannot wait for.
type Calls struct{ CloseRange, Execveat int }

// Limits are what the shim takes before it execs. The pointers are nil for what stays as it is.
type Limits struct {
	Rlimits                  []Rlimit
	Nice, OOMScoreAdj, Umask *int
	DefaultOOMScoreAdj       *int // used if OOMScoreAdj is nil; an error is ignored
	Account                  *Account
}

// Rlimit is one limit of setrlimit(2).
type Rlimit struct {
	Name       string
	Resource   int // its number; below 0: this system has none of that name
	Soft, Hard uint64
}

// Unlimited is config.Unlimited, whose package would be initialised too late.
const Unlimited = ^uint64(0)

// Account is the user that the shim becomes.
type Account struct {
	Name     string // for messages
	UID, GID int
	Groups   []int // supplementary
}

// Bytes returns the order as it travels. Both ends are the same program, so there are no versions.
func (o Order) Bytes() []byte {
	var c coder
	o.fields(&c)
	return c.written
}

// fields hands over each field, to be written or to be read.
func (o *Order) fields(c *coder) {
	c.text(&o.Path)
	c.number(&o.FD)
	list(c, &o.Args, c.text)
	list(c, &o.Env, c.text)
	c.text(&o.Dir)
	c.number(&o.DirFD)
	c.flag(&o.ListenPID)
	c.flag(&o.Watchdog)
	c.flag(&o.Capture)
	o.Limits.fields(c)
	c.number(&o.Keep)
	c.number(&o.Calls.CloseRange)
	c.number(&o.Calls.Execveat)
}

func (l *Limits) fields(c *coder) {
	list(c, &l.Rlimits, func(r *Rlimit) {
		c.text(&r.Name)
		c.number(&r.Resource)
		c.unsigned(&r.Soft)
		c.unsigned(&r.Hard)
	})
	for _, value := range []**int{&l.Nice, &l.OOMScoreAdj, &l.Umask, &l.DefaultOOMScoreAdj} {
		optional(c, value, c.number)
	}
	optional(c, &l.Account, func(a *Account) {
		c.text(&a.Name)
		c.number(&a.UID)
		c.number(&a.GID)
		list(c, &a.Groups, c.number)
	})
}
