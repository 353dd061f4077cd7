package discovery

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	if err := (Settings{}).Validate(); err != nil {
		t.Errorf("the defaults make no sense: %v", err)
	}
	for want, s := range map[string]Settings{
		"empty_after":      {EmptyAfter: -time.Second},
		"removal_interval": {RemovalInterval: time.Millisecond},
		"cache_max_age":    {CacheMaxAge: time.Second},
		"wait: 11m":        {Wait: 11 * time.Minute},
		"wait: 1ms":        {Wait: time.Millisecond},
		"debounce":         {Debounce: time.Minute},
		"max_removal: 1.1": {MaxRemoval: 1.1},
		"max_removal: -1":  {MaxRemoval: -1},
		"max_removal: NaN": {MaxRemoval: math.NaN()},
		"allow":            {Allow: []netip.Prefix{{}}},
	} {
		if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the error is %v, want one of %s", err, want)
		}
	}
}
