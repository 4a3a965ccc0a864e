package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"syscall"

	"relevo/internal/config"
)

// Command is what the workers of one generation run, as the configuration gives it.
type Command struct {
	App        string
	Args       []string // program and arguments, with placeholders
	Listeners  []Listener
	Dir        string   // working directory; symbolic links are resolved once per generation
	Env        []string // over the master's environment
	EnvFiles   []string // read once per generation; Env wins over them
	EnvInherit config.EnvInherit
	Ready      config.Ready
	StopSignal syscall.Signal // default SIGTERM
	ExecFrom   config.ExecFrom
	Limits     config.Limits
	Rescue     config.Rescue
	NoPreload  bool    // of Node workers
	NodeLoad   bool    // Node workers report the use of their event loop
	SendReady  bool    // process.send('ready') of a Node worker says that it is ready
	Sockets    Sockets // for programs that bind for themselves; nil: their binds are not captured
	Admission  Admission

	// NeedCopy refuses a release if no copy can be made because the disk is full. Without it,
	// that is a warning, as it has to be at the first start.
	NeedCopy bool
}

// Fingerprint is a short hash of the configuration that may make a release fail.
func (c Command) Fingerprint() string {
	text, err := json.Marshal(struct {
		Args, Env, EnvFiles []string
		EnvInherit          config.EnvInherit
		Dir                 string
		Limits              config.Limits
		Health              string `json:",omitempty"`
	}{c.Args, c.Env, c.EnvFiles, c.EnvInherit, c.Dir, c.Limits, c.Admission.Check})
	if err != nil {
		panic("internal error: launch: " + err.Error()) // plain values
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

func (c Command) listenerNames() []string {
	var names []string
	for _, listener := range c.Listeners {
		names = append(names, listener.Name)
	}
	return names
}
