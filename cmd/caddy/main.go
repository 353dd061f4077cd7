// Command caddy is Caddy with its standard modules and all of weir's.
package main

import (
	"runtime/debug"
	_ "time/tzdata" // scratch images have no zone files

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/weirproxy/weir/caddymodules"
)

func main() {
	if info, ok := debug.ReadBuildInfo(); ok {
		caddy.CustomVersion = version(info)
	}
	caddycmd.Main()
}

// version is weir's version, as the Go toolchain stamped it into the binary. Caddy
// writes its own version and checksum behind it.
func version(info *debug.BuildInfo) string { return "weir " + info.Main.Version + " on Caddy" }
