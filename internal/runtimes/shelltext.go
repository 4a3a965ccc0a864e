package runtimes

import (
	"slices"
	"strings"
)

// hooks are the scripts that a package manager runs before and after another one.
type hooks struct{ before, after string }

// scriptText makes a command of the text of a package's script. A plain command needs no
// shell. Otherwise the shell replaces itself by the last command (exec) if it can, so that
// signals reach the program; if not, it waits for that command, as npm's shell does.
func scriptText(h hooks, text string, args []string) (c Command) {
	if h == (hooks{}) {
		if c, ok := plainCommand(text, args); ok {
			return c
		}
	}
	line := text
	if last, ok := lastCommand(text); ok && h.after == "" {
		line, args = becoming(text[:last], text[last:], args)
	} else if len(args) > 0 {
		line += ` "$@"`
	}
	if h.before != "" {
		line = "( " + h.before + "\n) && " + line
	}
	if h.after != "" {
		line += " && ( " + h.after + "\n)"
	}
	return Command{Args: append([]string{"sh", "-c", literal(line), "sh"}, args...)}
}

// plainCommand reads a text that a shell would only split into words.
func plainCommand(text string, args []string) (c Command, ok bool) {
	words, ok := split(text)
	if !ok || slices.ContainsFunc(words, isBraceExpansion) {
		return c, false
	}
	for len(words) > 0 && (isAssignment(words[0]) || words[0] == "exec" || words[0] == "cross-env") {
		if isAssignment(words[0]) {
			c.Set = append(c.Set, literal(words[0]))
		}
		words = words[1:]
	}
	if len(words) == 0 || isBuiltin(words[0]) {
		return c, false
	}
	for i := range words {
		words[i] = literal(words[i])
	}
	c.Args = slices.Concat(words, args)
	return c, true
}

// isBraceExpansion says whether some shells would make several words of this one.
func isBraceExpansion(word string) bool {
	return strings.Contains(word, "{") && (strings.Contains(word, ",") || strings.Contains(word, ".."))
}

// becomesArguments ends the text of a shell that replaces itself by the command in its arguments.
const becomesArguments = `exec "$@"`

// becoming makes the shell replace itself by the last command. A plain command becomes the
// shell's arguments, so that Parse finds the program and its script in them.
func becoming(before, command string, args []string) (line string, all []string) {
	command = strings.TrimLeft(command, " \t")
	end := assignments(command)
	if tail, ok := strings.CutPrefix(command[end:], "cross-env "); ok { // cross-env would stay as a process of its own
		command = command[:end] + strings.TrimLeft(tail, " ")
		end = assignments(command)
	}
	if before = strings.TrimRight(before, " \t"); before != "" {
		before += " "
	}
	program := strings.TrimPrefix(command[end:], "exec ")
	if c, ok := plainCommand(program, args); ok && len(c.Set) == 0 && !movesOn(before) {
		return before + command[:end] + becomesArguments, c.Args
	}
	line = before + command[:end] + "exec " + program
	if len(args) > 0 {
		line += ` "$@"`
	}
	return line, args
}

// movesOn says whether a text may change the shell's directory: then a relative path of a
// script does not begin in the working directory.
func movesOn(text string) bool {
	return slices.ContainsFunc(strings.Split(text, "&&"), func(command string) bool {
		word, _, _ := strings.Cut(strings.TrimSpace(command), " ")
		return slices.Contains([]string{"cd", "pushd", ".", "source", "eval", "command", "builtin"}, word)
	})
}

// assignments returns the length of the assignments at the beginning of a command. It stops
// at an assignment with quotes, which the shell has to read.
func assignments(command string) (end int) {
	for {
		word, _, more := strings.Cut(command[end:], " ")
		if !more || !isAssignment(word) || strings.ContainsAny(word, "'\"") {
			return end
		}
		end += len(word)
		end += len(command[end:]) - len(strings.TrimLeft(command[end:], " "))
	}
}

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// isBuiltin says whether a word is a command or a keyword of the shell itself.
func isBuiltin(word string) bool {
	return slices.Contains(strings.Fields(`. : [ ! { } alias bg break case cd command continue do echo eval exit export
		fg for function getopts hash if jobs kill local printf pwd read readonly return select set shift
		source test time times trap type ulimit umask unalias unset until wait while true false`), word)
}

// split returns the words of a command line. plain is false if a shell would do more than
// split it into words.
func split(text string) (words []string, plain bool) {
	var word strings.Builder
	var quote rune
	open := false
	for _, r := range text {
		switch {
		case quote == '\'' && r != quote, quote == '"' && !strings.ContainsRune("\"$`\\", r):
			word.WriteRune(r)
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, open = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		case strings.ContainsRune("|&;<>()$`\\*?[]~#!\n\"", r):
			return nil, false
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if open {
		words = append(words, word.String())
	}
	return words, quote == 0
}

// lastCommand returns where the last command of "a && b" begins. It returns false if the
// text has other operators, because then the shell may have to do something after it.
func lastCommand(text string) (at int, ok bool) {
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' || c == '`' || c == '\n':
			return 0, false
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '&' && strings.HasPrefix(text[i:], "&&"):
			at = i + 2
			i++
		case strings.IndexByte("|&;()#", c) >= 0:
			return 0, false
		}
	}
	last := strings.TrimLeft(text[at:], " \t")
	word, _, _ := strings.Cut(last[assignments(last):], " ")
	return at, quote == 0 && word != "" && !isBuiltin(word) && !isAssignment(word)
}

// escapeBrace replaces {name by {:name, and adds one more colon where there are some.
func escapeBrace(text, name string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(text, '{')
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at+1])
		text = text[at+1:]
		if rest, ok := strings.CutPrefix(strings.TrimLeft(text, ":"), name); ok &&
			(strings.HasPrefix(rest, "}") || strings.HasPrefix(rest, ":")) {
			b.WriteByte(':')
		}
	}
}
