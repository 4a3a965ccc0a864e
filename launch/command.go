package launch

import (
	"syscall"

	"relevo/config"
)

// Command is what the workers of one generation run, as the configuration says
// it.
type Command struct {
	App        string
	Args       []string // program and arguments, with placeholders
	Listeners  []Listener
	Dir        string   // working directory; symbolic links are resolved once per generation
	Env        []string // over the master's environment
	EnvFiles   []string // read once per generation; Env wins over them
	Ready      config.Ready
	StopSignal syscall.Signal // default SIGTERM
	ExecFrom   config.ExecFrom
	Limits     config.Limits
}

func (c Command) listenerNames() []string {
	var names []string
	for _, listener := range c.Listeners {
		names = append(names, listener.Name)
	}
	return names
}
