package governance

// consul.go holds what the app and the module governance.consul have to do with each
// other. Neither knows the other's type, so that one can be compiled in without the other.

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/governance/processhealth"
)

// consulID is the module that consul and register are about.
const consulID = "governance.consul"

// ConsulModule returns the module of this configuration, with the settings of the
// environment if it has none. All who ask get the same one.
func (a *App) ConsulModule() (any, error) {
	if a.consul != nil {
		return a.consul, nil
	}
	if _, err := consulInfo(); err != nil {
		return nil, err
	}
	module, err := a.ctx.LoadModuleByID(consulID, a.Consul)
	if err != nil {
		return nil, err
	}
	watcher, ok := module.(interface {
		WatchHealth(monitor func() (*processhealth.Monitor, error)) error
	})
	if ok {
		if err := watcher.WatchHealth(a.HealthMonitor); err != nil {
			return nil, err
		}
	}
	a.consul = module
	return module, nil
}

// consulInfo says what to do if the module is not compiled in.
func consulInfo() (caddy.ModuleInfo, error) {
	info, err := caddy.GetModule(consulID)
	if err != nil {
		err = fmt.Errorf("the module %s is not compiled in: build with github.com/weirproxy/weir/caddymodules/consul", consulID)
	}
	return info, err
}

// consulOptions reads the options consul and register, which are the module's.
type consulOptions struct{ module caddyfile.Unmarshaler }

// unmarshal reads the option that the dispenser stands on.
func (o *consulOptions) unmarshal(d *caddyfile.Dispenser) error {
	if o.module == nil {
		info, err := consulInfo()
		if err != nil {
			return d.WrapErr(err)
		}
		module, ok := info.New().(caddyfile.Unmarshaler)
		if !ok {
			return d.Errf("the module %s takes no Caddyfile options", consulID)
		}
		o.module = module
	}
	return o.module.UnmarshalCaddyfile(d)
}

// encode returns the module's JSON, or nil without any option.
func (o *consulOptions) encode() (json.RawMessage, error) {
	if o.module == nil {
		return nil, nil
	}
	return json.Marshal(o.module)
}
