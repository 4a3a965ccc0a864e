package main

import (
	"strings"

	"relevo/internal/config"
	fleet "relevo/internal/fleet/relevo-fleet/cli"
	"relevo/systemd/unit"
)

// instance stands for %i while the unit is made: a unit's name may not have a percent sign.
const instance = "RELEVO-INSTANCE"

// relevoUnits are the units of relevo.
func relevoUnits() ([]file, error) {
	text, err := serviceTemplate()
	return []file{{"systemd/relevo@.service", 0o644, []byte(text)}}, err
}

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
# The package overwrites this file. To change something use systemctl edit relevo@NAME.
# relevo unit -c /etc/relevo/NAME.toml prints a unit that allows no more than that configuration needs.

[Unit]
AssertPathExists=/etc/relevo/%i.toml
` + text, nil
}

// fleetUnits are those of `relevo-fleet unit`, for the places of a package.
func fleetUnits() ([]file, error) {
	agent := packagedUnit("relevo-fleet-agent", "AssertPathExists=/etc/relevo-fleet.toml",
		fleet.Unit("agent", "/usr/bin/relevo-fleet agent -c /etc/relevo-fleet.toml"))
	conduct := packagedUnit("relevo-fleet-conduct@APP", "AssertPathExists=/etc/relevo-fleet/conduct.env",
		fleet.Unit("conduct", "/usr/bin/relevo-fleet conduct --app %i $OPTIONS"))
	conduct = strings.NewReplacer("Description=relevo-fleet conduct", "Description=relevo-fleet conduct %i",
		"[Service]\n", "[Service]\nEnvironmentFile=/etc/relevo-fleet/conduct.env\n").Replace(conduct)
	return []file{{"systemd/relevo-fleet-agent.service", 0o644, []byte(agent)},
		{"systemd/relevo-fleet-conduct@.service", 0o644, []byte(conduct)}}, nil
}

// packagedUnit replaces the head of a unit, which says where to put it.
func packagedUnit(name, needs, text string) string {
	_, text, _ = strings.Cut(text, "[Unit]\n")
	return "# The package overwrites this file. To change something use systemctl edit " + name + ".\n" +
		"# systemctl enable --now " + name + "\n[Unit]\n" + needs + "\n" + text
}
