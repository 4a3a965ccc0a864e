package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// unitText is a unit for systemd. The commands that fetch and check end with the agent; the masters are other
// units, and keep serving.
const unitText = `# relevo-fleet %[1]s: put it at /etc/systemd/system/relevo-fleet-%[1]s.service, then
# systemctl daemon-reload && systemctl enable --now relevo-fleet-%[1]s
[Unit]
Description=relevo-fleet %[1]s
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=%[2]s
Restart=always
RestartSec=1
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
`

func (p *program) unit() *cobra.Command {
	return &cobra.Command{Use: "unit -- agent|conduct FLAG…", Short: "Print a systemd unit for an agent or a conductor",
		Example: "  relevo-fleet unit -- agent -c /etc/relevo-fleet.toml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] != "agent" && args[0] != "conduct" {
				return usage(errors.New("cannot tell what the unit is to run: " +
					"relevo-fleet unit -- agent -c /etc/relevo-fleet.toml, or conduct --app NAME"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := os.Executable()
			if err != nil {
				return fmt.Errorf("cannot tell where this program is: %w", err)
			}
			if err := checkLine(args); err != nil {
				return usage(err)
			}
			words := []string{quote(path)}
			for _, arg := range args {
				words = append(words, quote(arg))
			}
			_, err = fmt.Fprint(p.out, Unit(args[0], strings.Join(words, " ")))
			return err
		}}
}

// Unit is the unit of the command agent or conduct; line is its ExecStart=.
func Unit(command, line string) string { return fmt.Sprintf(unitText, command, line) }

// checkLine refuses flags that the command does not have, before a unit fails for them.
func checkLine(args []string) error {
	cmd, rest, err := Commands().Find(args)
	if err != nil {
		return err
	}
	return cmd.ParseFlags(rest)
}

// quote writes a word for ExecStart=.
func quote(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
	if strings.ContainsAny(word, " \t\"'\\;") || word == "" {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
	}
	return word
}
