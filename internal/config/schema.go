package config

import (
	"encoding/json"
	"maps"
	"strings"
)

// Schema returns the JSON schema of relevo.toml, for editors.
func Schema() ([]byte, error) {
	root := object("relevo.toml: what an app of relevo is", map[string]any{listenerKey: listenerSchema()})
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["properties"].(map[string]any)["limits"] = object("What bounds a worker", map[string]any{})
	root["properties"].(map[string]any)["health"] = object("How workers are asked whether they still serve",
		map[string]any{})
	root["properties"].(map[string]any)["schedule"] = object("When workers are rolled by the clock", map[string]any{})
	root["properties"].(map[string]any)["log"] = object("The files of output = files", map[string]any{})
	root["properties"].(map[string]any)["dev"] = object("What relevo dev builds and watches", map[string]any{})
	parts := map[string]string{
		appKey: "Several apps, each with its settings", profileKey: "Settings that --profile chooses",
	}
	for part, description := range parts {
		root["properties"].(map[string]any)[part] = schema{
			"type": "object", "additionalProperties": schema{"$ref": "#"}, "description": description,
		}
	}
	for _, s := range Settings() {
		at := root
		table, name := s.place()
		if table != "" {
			at = root["properties"].(map[string]any)[table].(schema)
		}
		at["properties"].(map[string]any)[name] = s.describe()
	}
	out, err := json.MarshalIndent(root, "", "  ")
	return append(out, '\n'), err
}

func object(description string, properties map[string]any) schema {
	return schema{"type": "object", "description": description, "additionalProperties": false, "properties": properties}
}

func (s Setting) describe() schema {
	part := maps.Clone(s.schema)
	part["description"] = strings.ToUpper(s.Help[:1]) + s.Help[1:]
	if s.Default != "" {
		part["default"] = json.RawMessage(s.Default) // values of these kinds are written alike in TOML and JSON
	}
	if strings.HasPrefix(s.Key, "limits.rlimits") {
		names := RlimitNames()
		part["propertyNames"] = schema{"enum": names}
	}
	return part
}

func listenerSchema() schema {
	texts := func(description string) schema { return schema{"type": "string", "description": description} }
	one := object("One listening socket", map[string]any{
		"name":    texts("Name in LISTEN_FDNAMES and placeholders"),
		"address": texts(":PORT, HOST:PORT, unix:/PATH, unix:@NAME, udp:…"),
		"mode":    texts("File mode of a Unix socket, octal"),
		"backlog": schema{"type": "integer", "minimum": 1,
			"description": "Length of the accept queue (default: the system's maximum)"},
		"balance": schema{"enum": []Balance{BalanceAuto, BalanceShared, BalanceEven, BalanceSticky},
			"description": "How the workers share it whose programs bind it (default: as balance says)"},
		"blocking": schema{"type": "boolean",
			"description": "Accept and recv wait, for simple programs that have no event loop"},
	})
	one["required"] = []string{"address"}
	return schema{"type": "array", "items": one, "description": "Listening sockets, beside those of listen"}
}
