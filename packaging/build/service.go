package main

import (
	"strings"

	"relevo/internal/config"
	"relevo/systemd/unit"
)

// instance stands for %i while the unit is made: a unit's name may not have a percent sign.
const instance = "RELEVO-INSTANCE"

// serviceTemplate is the unit of `relevo install` for a configuration that is not known: it allows
// what the common settings need.
func serviceTemplate() (string, error) {
	app := config.Default()
	app.Name = instance
	app.Workers = 64                                                    // room in the store of systemd
	app.Limits.User = "relevo"                                          // workers may have another user
	app.Listen = []config.Listen{{Network: config.TCP, Address: ":80"}} // and ports below 1024
	files, err := unit.Files(unit.Options{App: app, Program: "/usr/bin/relevo", Systemd: 252,
		Config: "/etc/relevo/" + instance + ".toml"})
	if err != nil {
		return "", err
	}
	_, text, _ := strings.Cut(files[0].Text, "\n[Unit]\n")
	text = strings.ReplaceAll(text, instance, "%i")
	return `# Runs the app of /etc/relevo/NAME.toml: systemctl enable --now relevo@NAME
# The package writes this file anew. To change something use systemctl edit relevo@NAME.
# relevo unit -c /etc/relevo/NAME.toml prints a unit that allows no more than that configuration needs.

[Unit]
AssertPathExists=/etc/relevo/%i.toml
` + text, nil
}
