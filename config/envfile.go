package config

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// ReadEnvFile reads NAME=VALUE lines as systemd's EnvironmentFile= and docker's
// --env-file do: # and ; begin a comment line, "export " is allowed, a value may
// stand in single or double quotes. Nothing is expanded. Errors name the file
// and the line.
func ReadEnvFile(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the environment file: %w; create it or correct its path", err)
	}
	defer file.Close()
	var env []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	number := 1
	for ; lines.Scan(); number++ {
		variable, err := parseEnvLine(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		if variable != "" {
			env = append(env, variable)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: cannot read the environment file: %w", path, number, err)
	}
	return env, nil
}

func parseEnvLine(line string) (string, error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", nil
	}
	line = strings.TrimPrefix(line, "export ")
	key, value, _ := strings.Cut(line, "=")
	if _, err := ParseEnv(line); err != nil || strings.ContainsAny(key, " \t") {
		return "", fmt.Errorf("cannot use %q: write NAME=VALUE", line)
	}
	value, err := unquote(value)
	return key + "=" + value, err
}

func unquote(value string) (string, error) {
	if value == "" || (value[0] != '"' && value[0] != '\'') {
		return value, nil
	}
	quote := value[0]
	if len(value) < 2 || value[len(value)-1] != quote {
		return "", fmt.Errorf("cannot use %s: the closing %c is missing", value, quote)
	}
	value = value[1 : len(value)-1]
	if quote == '"' {
		value = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n", `\$`, "$").Replace(value)
	}
	return value, nil
}
