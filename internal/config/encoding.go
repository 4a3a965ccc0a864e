package config

import (
	"bytes"
	"errors"
)

// decode returns a text file's bytes without the byte order mark that editors on Windows
// write before UTF-8. UTF-16 is refused, because the parser would not understand it.
func decode(data []byte) ([]byte, error) {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			return nil, errUTF16
		}
	}
	if len(data) > 1 && len(data)%2 == 0 && (data[0] == 0) != (data[1] == 0) { // without its mark
		return nil, errUTF16
	}
	return bytes.TrimPrefix(data, []byte(byteOrderMark)), nil
}

const byteOrderMark = "\ufeff"

var errUTF16 = errors.New("it is UTF-16; save it as UTF-8")
