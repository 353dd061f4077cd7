package relay

// single.go takes the fate of a batch's messages apart, for when they have to be settled one
// by one.

import (
	"cmp"
	"slices"
)

// single is the fate of one message.
type single struct {
	id      int64
	pending fate
	waiting waitingFate
}

// split returns the fate of each message, in the order of their ids.
func (f *fate) split() []single {
	var all []single
	for i, id := range f.delivered.ids {
		d := &f.delivered
		all = append(all, single{id: id, pending: fate{delivered: removals{d.places[i : i+1], d.ids[i : i+1]}}})
	}
	for i, id := range f.deferred.ids {
		d := &f.deferred
		one := deferrals{d.places[i : i+1], d.ids[i : i+1], d.states[i : i+1], d.attempts[i : i+1], d.errors[i : i+1], d.waits[i : i+1], d.classes[i : i+1]}
		all = append(all, single{id: id, pending: fate{deferred: one}})
	}
	for i, id := range f.dead.ids {
		all = append(all, single{id: id, pending: fate{dead: f.dead.at(i)}})
	}
	slices.SortFunc(all, func(a, b single) int { return cmp.Compare(a.id, b.id) })
	return all
}

func (b *burials) at(i int) burials {
	return burials{b.places[i : i+1], b.ids[i : i+1], b.reasons[i : i+1], b.attempts[i : i+1], b.errors[i : i+1], b.classes[i : i+1], b.prints[i : i+1]}
}

// split returns the fate of each message that waited, in no order. Each tries to let the next
// of its key go on.
func (f *waitingFate) split() []single {
	var all []single
	for i, id := range f.delivered {
		all = append(all, single{id: id, waiting: waitingFate{delivered: f.delivered[i : i+1], keys: f.keys}})
	}
	for i, id := range f.resumed {
		all = append(all, single{id: id, waiting: waitingFate{resumed: f.resumed[i : i+1]}})
	}
	for i, id := range f.retried.ids {
		var one waitingFate
		d := &f.retried
		one.retried.ids, one.retried.attempts = d.ids[i:i+1], d.attempts[i:i+1]
		one.retried.errors, one.retried.waits, one.retried.classes = d.errors[i:i+1], d.waits[i:i+1], d.classes[i:i+1]
		all = append(all, single{id: id, waiting: one})
	}
	for i, id := range f.dead.ids {
		all = append(all, single{id: id, waiting: waitingFate{dead: f.dead.at(i), keys: f.keys}})
	}
	return all
}
