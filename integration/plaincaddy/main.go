// Command plaincaddy is Caddy with its standard modules and nothing else: what
// weir is compared with.
package main

import (
	_ "time/tzdata" // as in weir's own command, so that the two differ in weir alone

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
