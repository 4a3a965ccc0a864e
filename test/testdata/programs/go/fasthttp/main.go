// Command fasthttp is a server of github.com/valyala/fasthttp. Usage: fasthttp ADDRESS
package main

import (
	"log"
	"os"

	"github.com/valyala/fasthttp"
)

func main() {
	log.Fatal(fasthttp.ListenAndServe(os.Args[1], func(ctx *fasthttp.RequestCtx) { ctx.WriteString("ok\n") }))
}
