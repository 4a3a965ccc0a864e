package nomad_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// ofDocker are the settings of the docker driver that the job uses, as its documentation has them:
// the API takes any. https://developer.hashicorp.com/nomad/docs/job-declare/task-driver/docker
var ofDocker = reflect.TypeFor[struct {
	Image          string   `hcl:"image"`
	Ports          []string `hcl:"ports,optional"`
	Entrypoint     []string `hcl:"entrypoint,optional"`
	Args           []string `hcl:"args,optional"`
	ReadonlyRootfs bool     `hcl:"readonly_rootfs,optional"`
	CapDrop        []string `hcl:"cap_drop,optional"`
}]()

// check returns what of a body a type of the API does not have.
func check(body *hclsyntax.Body, is reflect.Type) (errs []string) {
	fields, _ := fieldsOf(is)
	for name, attribute := range body.Attributes {
		if field, ok := fields[name]; !ok || isBlock(field) {
			errs = append(errs, fmt.Sprintf("%s: no such attribute: %s", attribute.SrcRange, name))
		} else if got := value(attribute.Expr); !fits(got, field.Type) {
			errs = append(errs, fmt.Sprintf("%s: %s is %v, no %s", attribute.SrcRange, name, got, field.Type))
		}
	}
	for _, block := range body.Blocks {
		field, ok := fields[block.Type]
		if !ok || !isBlock(field) {
			errs = append(errs, fmt.Sprintf("%s: no such block: %s", block.TypeRange, block.Type))
			continue
		}
		errs = append(errs, checkBlock(block, field)...)
	}
	return errs
}

func checkBlock(block *hclsyntax.Block, field reflect.StructField) []string {
	is := field.Type
	for is.Kind() == reflect.Pointer || is.Kind() == reflect.Slice {
		is = is.Elem()
	}
	if block.Type == "config" {
		is = ofDocker
	}
	if is.Kind() == reflect.Map { // such as env: any name
		return nil
	}
	if _, labels := fieldsOf(is); labels != len(block.Labels) {
		return []string{fmt.Sprintf("%s: %s has %d labels, not %d", block.TypeRange, block.Type, labels, len(block.Labels))}
	}
	return check(block.Body, is)
}

// fieldsOf returns the fields of a struct by their name in HCL, and the number of its labels.
func fieldsOf(is reflect.Type) (byName map[string]reflect.StructField, labels int) {
	byName = map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(is) {
		name, kind, _ := strings.Cut(field.Tag.Get("hcl"), ",")
		switch {
		case kind == "label":
			labels++
		case name != "":
			byName[name] = field
		}
	}
	return byName, labels
}

func isBlock(field reflect.StructField) bool {
	return strings.HasSuffix(field.Tag.Get("hcl"), ",block")
}

// fits says whether a value may be that of a field.
func fits(value any, is reflect.Type) bool {
	if is.Kind() == reflect.Pointer {
		is = is.Elem()
	}
	if is == reflect.TypeFor[time.Duration]() {
		text, ok := value.(string)
		_, err := time.ParseDuration(text)
		return ok && err == nil
	}
	switch value := value.(type) {
	case string:
		return is.Kind() == reflect.String
	case bool:
		return is.Kind() == reflect.Bool
	case float64:
		return is.Kind() == reflect.Int && value == float64(int(value))
	case []any:
		for _, one := range value {
			if is.Kind() != reflect.Slice || !fits(one, is.Elem()) {
				return false
			}
		}
		return is.Kind() == reflect.Slice
	}
	return false
}

// value returns a constant as encoding/json knows it, and an error for what is none.
func value(expression hclsyntax.Expression) (got any) {
	constant, problems := expression.Value(nil)
	if problems.HasErrors() {
		return problems
	}
	raw, err := ctyjson.Marshal(constant, constant.Type())
	if err == nil {
		err = json.Unmarshal(raw, &got)
	}
	if err != nil {
		return err
	}
	return got
}
