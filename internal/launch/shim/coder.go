package shim

// coder writes fields one after the other, or reads them again: numbers as eight bytes, the least
// significant one first; texts and lists with their length before them. Packages of the standard
// library that do such things are initialised too late for the shim. To write a field is
// not to change it: orders of several workers share lists.
type coder struct {
	written []byte
	reading bool
	rest    []byte // to read
	failed  bool   // it did not have the form of what was to be read
}

func (c *coder) unsigned(value *uint64) {
	const size = 8
	if !c.reading {
		for i := range size {
			c.written = append(c.written, byte(*value>>(8*i)))
		}
		return
	}
	*value = 0
	if len(c.rest) < size {
		c.rest, c.failed = nil, true
		return
	}
	for i := range size {
		*value |= uint64(c.rest[i]) << (8 * i)
	}
	c.rest = c.rest[size:]
}

func (c *coder) number(value *int) {
	unsigned := uint64(*value)
	if c.unsigned(&unsigned); c.reading {
		*value = int(unsigned)
	}
}

func (c *coder) flag(value *bool) {
	var number int
	if *value {
		number = 1
	}
	if c.number(&number); c.reading {
		*value = number == 1
	}
}

// length hands over the length of something of which each part takes at least a byte.
func (c *coder) length(n *int) {
	c.number(n)
	if c.reading && (*n < 0 || *n > len(c.rest)) {
		*n, c.rest, c.failed = 0, nil, true
	}
}

func (c *coder) text(value *string) {
	n := len(*value)
	c.length(&n)
	if !c.reading {
		c.written = append(c.written, *value...)
		return
	}
	*value, c.rest = string(c.rest[:n]), c.rest[n:]
}

func list[T any](c *coder, values *[]T, one func(*T)) {
	n := len(*values)
	if c.length(&n); c.reading {
		*values = make([]T, n)
	}
	for i := range *values {
		one(&(*values)[i])
	}
}

// optional hands over a value that may be missing, as a list of none or one.
func optional[T any](c *coder, value **T, one func(*T)) {
	var values []T
	if *value != nil {
		values = []T{**value}
	}
	if list(c, &values, one); c.reading && len(values) > 0 {
		*value = &values[0]
	}
}
