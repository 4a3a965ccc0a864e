package config

import (
	"errors"
	"fmt"
	"strings"

	"relevo/internal/safefile"
)

// ReadEnvFile reads NAME=VALUE lines as systemd's EnvironmentFile= and docker's --env-file do:
// # and ; begin a comment line, "export " is allowed, and a value may be in single or double
// quotes. Nothing is expanded. A byte order mark and Windows line ends are ignored. Errors
// name the file and the line, never a value.
func ReadEnvFile(path string) ([]string, error) {
	text, err := safefile.Read(path, maxEnvFile)
	switch {
	case errors.Is(err, safefile.ErrNotRegular):
		return nil, fmt.Errorf("cannot read the environment file: %w, and each reload reads it again; write it to a file",
			err)
	case err != nil:
		return nil, fmt.Errorf("cannot read the environment file: %w; create it or correct its path", err)
	}
	if text, err = decode(text); err != nil {
		return nil, fmt.Errorf("%s: cannot read the environment file: %w", path, err)
	}
	var env []string
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		variable, err := "", error(nil)
		if len(line) > maxEnvLine {
			err = fmt.Errorf("cannot use the line: it has more than %s", SizeText(maxEnvLine))
		} else {
			variable, err = parseEnvLine(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		if variable != "" {
			env = append(env, variable)
		}
	}
	return env, nil
}

// What is read as variables, and as one of them. The kernel takes less of both.
const (
	maxEnvFile = 8 << 20
	maxEnvLine = 1 << 20
)

func parseEnvLine(line string) (string, error) {
	line = strings.TrimSpace(strings.TrimPrefix(line, byteOrderMark)) // of a file in the middle of which another was put
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", nil
	}
	line = strings.TrimPrefix(line, "export ")
	key, value, _ := strings.Cut(line, "=")
	if _, err := ParseEnv(line); err != nil || strings.ContainsAny(key, " \t") {
		return "", errors.New("cannot use the line: write NAME=VALUE")
	}
	value, err := unquote(value)
	if err != nil {
		return "", fmt.Errorf("cannot use the value of %s: %w", key, err)
	}
	return key + "=" + value, nil
}

func unquote(value string) (string, error) {
	if value == "" || (value[0] != '"' && value[0] != '\'') {
		return value, nil
	}
	quote := value[0]
	if len(value) < 2 || value[len(value)-1] != quote {
		return "", fmt.Errorf("the closing %c is missing", quote)
	}
	value = value[1 : len(value)-1]
	if quote == '"' {
		value = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n", `\$`, "$").Replace(value)
	}
	return value, nil
}
