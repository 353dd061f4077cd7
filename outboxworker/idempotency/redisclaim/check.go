package redisclaim

// check.go holds what an operator should know about the server.

import (
	"context"
	"fmt"
)

// Check asks Redis whether it answers, and whether it may drop what it was told. Its
// warnings are sentences for an operator; where Redis does not let itself be asked, as
// hosted ones often do not, a warning says that. Of a cluster it asks one node.
//
// Every policy but noeviction is warned of, whatever maxmemory is, which may be changed
// at any time. The policies that spare keys without an expiry are no better than the
// others: claims and markers have one. volatile-ttl is the worst, as claims, which expire
// first, are the first to go, and with each goes the protection of a handler that runs.
func (s *Store) Check(ctx context.Context) (warnings []string, err error) {
	const name = "maxmemory-policy"
	if err := s.client.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("asking Redis: %w", err)
	}
	answer, err := s.client.ConfigGet(ctx, name).Result()
	policy, ok := answer[name]
	switch {
	case err != nil:
		return []string{fmt.Sprintf("%s is unknown: %s.", name, err)}, nil
	case !ok:
		return []string{name + " is unknown: Redis has no such setting."}, nil
	case policy != "noeviction":
		return []string{fmt.Sprintf("%s is %s: when memory runs out, Redis may forget which messages are being handled "+
			"and which are done, and they are handled again; set it to noeviction.", name, policy)}, nil
	}
	return nil, nil
}
