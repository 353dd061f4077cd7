package gormoutbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/outbox/gormoutbox"
)

// Item is softly deleted, has hooks, and declares its messages without a pointer.
type Item struct {
	ID      uint
	OrderID uint
	Name    string
	Deleted gorm.DeletedAt
}

var errHook = errors.New("the model's hook says no")

func (i *Item) AfterSave(*gorm.DB) error {
	if i.Name == "hook fails" {
		return errHook
	}
	i.Name += "!" // seen by its messages, which come last
	return nil
}

func (i Item) OutboxMessages(_ context.Context, op gormoutbox.Op) ([]outbox.Message, error) {
	switch i.Name {
	case "silent!":
		return nil, nil
	case "fails!":
		return nil, errHook
	case "bad!":
		return []outbox.Message{{}}, nil
	}
	return []outbox.Message{{Topic: "items", Type: "item." + op.String(), Payload: []byte(i.Name)}}, nil
}

// Tag has a key of its own.
type Tag struct {
	Name  string `gorm:"primaryKey"`
	Color string
}

func (t *Tag) OutboxMessages(_ context.Context, op gormoutbox.Op) ([]outbox.Message, error) {
	return []outbox.Message{{Topic: "tags", Type: "tag." + op.String(), Payload: []byte(t.Name)}}, nil
}

// Plain publishes nothing.
type Plain struct {
	ID   uint
	Name string
}

// step is an operation and what it publishes, or the error that it ends with.
type step struct {
	name    string
	do      func(*gorm.DB) *gorm.DB
	want    []string
	refused string
}

const unseen = "GORM does not tell which rows it wrote"

var steps = []step{
	{"create", func(db *gorm.DB) *gorm.DB { return db.Create(&Order{Status: "new"}) }, []string{`order.created {"id":1,"status":"new"}`}, ""},
	{"create several", func(db *gorm.DB) *gorm.DB { return db.Create([]*Order{{Status: "a"}, {Status: "b"}}) }, []string{
		`order.created {"id":2,"status":"a"}`, `order.created {"id":3,"status":"b"}`,
	}, ""},
	{"create in batches", func(db *gorm.DB) *gorm.DB {
		return db.CreateInBatches([]Order{{Status: "c"}, {Status: "d"}, {Status: "e"}}, 2)
	}, []string{
		`order.created {"id":4,"status":"c"}`, `order.created {"id":5,"status":"d"}`, `order.created {"id":6,"status":"e"}`,
	}, ""},
	{"create a map", func(db *gorm.DB) *gorm.DB {
		return db.Model(&Order{}).Create(map[string]any{"Status": "f"})
	}, nil, unseen},
	{"create what is there, doing nothing", func(db *gorm.DB) *gorm.DB {
		return db.Clauses(clause.OnConflict{DoNothing: true}).Create(&Order{ID: 1, Status: "x"})
	}, nil, ""},
	{"create what is there in part", func(db *gorm.DB) *gorm.DB {
		return db.Clauses(clause.OnConflict{DoNothing: true}).Create(&[]Tag{{Name: "red"}, {Name: "red"}})
	}, nil, unseen},
	{"create or update", func(db *gorm.DB) *gorm.DB {
		return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&Order{ID: 1, Status: "paid"})
	}, []string{`order.saved {"id":1,"status":"paid"}`}, ""},
	{"first or create", func(db *gorm.DB) *gorm.DB { return db.FirstOrCreate(&Tag{}, Tag{Name: "blue"}) }, []string{"tag.created blue"}, ""},
	{"first, not create", func(db *gorm.DB) *gorm.DB { return db.FirstOrCreate(&Tag{}, Tag{Name: "blue"}) }, nil, ""},

	{"update", func(db *gorm.DB) *gorm.DB { return db.Model(&Order{ID: 1}).Update("status", "sent") }, []string{`order.updated {"id":1,"status":"sent"}`}, ""},
	{"updates of a model", func(db *gorm.DB) *gorm.DB { return db.Updates(&Order{ID: 1, Status: "lost"}) }, []string{`order.updated {"id":1,"status":"lost"}`}, ""},
	{"updates by value", func(db *gorm.DB) *gorm.DB { return db.Updates(Order{ID: 1, Status: "found"}) }, []string{`order.updated {"id":1,"status":"found"}`}, ""},
	{"update without hooks", func(db *gorm.DB) *gorm.DB { return db.Model(&Order{ID: 1}).UpdateColumn("status", "back") }, []string{`order.updated {"id":1,"status":"back"}`}, ""},
	{"update of nothing", func(db *gorm.DB) *gorm.DB { return db.Model(&Order{ID: 99}).Update("status", "x") }, nil, ""},
	{"update under a condition that fails", func(db *gorm.DB) *gorm.DB {
		return db.Model(&Order{ID: 1}).Where("status = 'new'").Update("status", "x")
	}, nil, ""},
	{"update of two models", func(db *gorm.DB) *gorm.DB {
		return db.Model(&[]Order{{ID: 2}, {ID: 3}}).Clauses(clause.Returning{}).Update("status", "both")
	}, []string{`order.updated {"id":2,"status":"both"}`, `order.updated {"id":3,"status":"both"}`}, ""},
	{"update of two models, one not there", func(db *gorm.DB) *gorm.DB {
		return db.Model(&[]Order{{ID: 2}, {ID: 99}}).Update("status", "x")
	}, nil, unseen},
	{"update without a key", func(db *gorm.DB) *gorm.DB {
		return db.Model(&Order{}).Where("status = 'both'").Update("status", "x")
	}, nil, unseen},
	{"update of one row without its key", func(db *gorm.DB) *gorm.DB {
		return db.Model(&Order{}).Where("id = 1").Update("status", "x")
	}, nil, unseen},
	{"update that returns its rows", func(db *gorm.DB) *gorm.DB {
		return db.Model(&[]Order{}).Clauses(clause.Returning{}).Where("status = 'both'").Update("status", "half")
	}, []string{`order.updated {"id":2,"status":"half"}`, `order.updated {"id":3,"status":"half"}`}, ""},

	{"save", func(db *gorm.DB) *gorm.DB { return db.Save(&Order{ID: 1, Status: "kept"}) }, []string{`order.updated {"id":1,"status":"kept"}`}, ""},
	{"save without a key", func(db *gorm.DB) *gorm.DB { return db.Save(&Order{Status: "kept"}) }, []string{`order.created {"id":8,"status":"kept"}`}, ""},
	{"save what is not there", func(db *gorm.DB) *gorm.DB { return db.Save(&Order{ID: 50, Status: "new"}) }, []string{`order.saved {"id":50,"status":"new"}`}, ""},
	{"save several", func(db *gorm.DB) *gorm.DB { return db.Save(&[]Order{{ID: 50, Status: "old"}, {ID: 51, Status: "new"}}) }, []string{
		`order.saved {"id":50,"status":"old"}`, `order.saved {"id":51,"status":"new"}`,
	}, ""},

	{"delete", func(db *gorm.DB) *gorm.DB { return db.Delete(&Order{ID: 50}) }, []string{`order.deleted {"id":50,"status":""}`}, ""},
	{"delete again", func(db *gorm.DB) *gorm.DB { return db.Delete(&Order{ID: 50}) }, nil, ""},
	{"delete several", func(db *gorm.DB) *gorm.DB { return db.Delete(&[]Order{{ID: 5}, {ID: 6}}) }, []string{
		`order.deleted {"id":5,"status":""}`, `order.deleted {"id":6,"status":""}`,
	}, ""},
	{"delete with the key as a condition", func(db *gorm.DB) *gorm.DB { return db.Delete(&Order{}, 1) }, nil, unseen},
	{"delete that returns its row", func(db *gorm.DB) *gorm.DB {
		return db.Clauses(clause.Returning{}).Delete(&Order{}, 51)
	}, []string{`order.deleted {"id":51,"status":"new"}`}, ""},
	{"delete that returns its rows", func(db *gorm.DB) *gorm.DB {
		return db.Clauses(clause.Returning{}).Where("status = 'half'").Delete(&[]Order{})
	}, []string{`order.deleted {"id":2,"status":"half"}`, `order.deleted {"id":3,"status":"half"}`}, ""},

	{"hooks come first", func(db *gorm.DB) *gorm.DB { return db.Create(&Item{OrderID: 4, Name: "pen"}) }, []string{"item.created pen!"}, ""},
	{"a hook fails", func(db *gorm.DB) *gorm.DB { return db.Create(&Item{OrderID: 4, Name: "hook fails"}) }, nil, errHook.Error()},
	{"no messages", func(db *gorm.DB) *gorm.DB { return db.Create(&Item{OrderID: 4, Name: "silent"}) }, nil, ""},
	{"messages fail", func(db *gorm.DB) *gorm.DB { return db.Create(&Item{OrderID: 4, Name: "fails"}) }, nil, errHook.Error()},
	{"bad messages", func(db *gorm.DB) *gorm.DB { return db.Create(&Item{OrderID: 4, Name: "bad"}) }, nil, "checking topic: it is empty"},
	{"a soft delete", func(db *gorm.DB) *gorm.DB { return db.Delete(&Item{ID: 1, Name: "pen"}) }, []string{"item.deleted pen"}, ""},
	{"what an order brings along", func(db *gorm.DB) *gorm.DB {
		return db.Create(&Order{ID: 60, Status: "new", Items: []Item{{Name: "cup"}}, Tags: []Tag{{Name: "blue"}}})
	}, []string{"item.saved cup!", `order.created {"id":60,"status":"new"}`}, ""},

	{"without", func(db *gorm.DB) *gorm.DB {
		return gormoutbox.Without(db).Model(&Order{}).Where("id > 1").Update("status", "quiet")
	}, nil, ""},
	{"another model", func(db *gorm.DB) *gorm.DB { return db.Model(&Plain{}).Where("true").Update("name", "x") }, nil, ""},
	{"raw SQL is not seen", func(db *gorm.DB) *gorm.DB { return db.Exec("UPDATE orders SET status = 'raw'") }, nil, ""},
	{"a table is not seen", func(db *gorm.DB) *gorm.DB {
		return db.Table("orders").Where("true").Updates(map[string]any{"status": "table"})
	}, nil, ""},
	{"a dry run", func(db *gorm.DB) *gorm.DB { return db.Session(&gorm.Session{DryRun: true}).Create(&Order{}) }, nil, ""},
}

// TestChangesArePublished runs the steps one after the other, over both drivers, with
// prepared statements, and in a transaction of the caller's.
func TestChangesArePublished(t *testing.T) {
	inOwn := func(do func(*gorm.DB) *gorm.DB) func(*gorm.DB) error {
		return func(db *gorm.DB) error {
			return db.Transaction(func(tx *gorm.DB) error { return do(tx).Error })
		}
	}
	inGorms := func(do func(*gorm.DB) *gorm.DB) func(*gorm.DB) error {
		return func(db *gorm.DB) error { return do(db).Error }
	}
	for _, way := range []struct {
		name, driver string
		config       gorm.Config
		wrap         func(func(*gorm.DB) *gorm.DB) func(*gorm.DB) error
	}{
		{"pgx", "pgx", gorm.Config{}, inGorms},
		{"pgx, prepared", "pgx", gorm.Config{PrepareStmt: true}, inGorms},
		{"pgx, own transaction", "pgx", gorm.Config{SkipDefaultTransaction: true}, inOwn},
		{"pgx, own transaction, prepared", "pgx", gorm.Config{PrepareStmt: true}, inOwn},
		{"lib/pq", "postgres", gorm.Config{}, inGorms},
		{"lib/pq, own transaction, prepared", "postgres", gorm.Config{PrepareStmt: true, SkipDefaultTransaction: true}, inOwn},
	} {
		t.Run(way.name, func(t *testing.T) {
			db := open(t, database(t), way.driver, &way.config)
			for _, step := range steps {
				before := state(t, db)
				err := way.wrap(step.do)(db)
				if step.refused == "" && err != nil {
					t.Errorf("%s: %v", step.name, err)
				}
				if step.refused != "" {
					if err == nil || !strings.Contains(err.Error(), step.refused) {
						t.Errorf("%s: error %v, want %q", step.name, err, step.refused)
					}
					if after := state(t, db); after != before {
						t.Errorf("%s: it was refused, but the rows changed from\n%s to\n%s", step.name, before, after)
					}
				}
				if got := take(t, db); !slices.Equal(got, step.want) {
					t.Errorf("%s: published %q, want %q", step.name, got, step.want)
				}
			}
		})
	}
}

// state shows all rows of the models.
func state(t *testing.T, db *gorm.DB) string {
	t.Helper()
	var all string
	err := db.Raw(`SELECT COALESCE(string_agg(line, E'\n'), '') FROM (SELECT orders::text AS line FROM orders UNION ALL
		SELECT items::text FROM items UNION ALL SELECT tags::text FROM tags ORDER BY 1) AS x`).Scan(&all).Error
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestChangesWithoutTransactionAreRefused would find a row without its message.
func TestChangesWithoutTransactionAreRefused(t *testing.T) {
	url := database(t)
	if err := open(t, url, "pgx", &gorm.Config{}).Create(&Order{Status: "new"}).Error; err != nil {
		t.Fatal(err)
	}
	for _, prepare := range []bool{false, true} {
		db := open(t, url, "pgx", &gorm.Config{SkipDefaultTransaction: true, PrepareStmt: prepare})
		take(t, db)
		before := state(t, db)
		for name, do := range map[string]func(*gorm.DB) *gorm.DB{
			"create": func(db *gorm.DB) *gorm.DB { return db.Create(&Order{Status: "new"}) },
			"update": func(db *gorm.DB) *gorm.DB { return db.Model(&Order{ID: 1}).Update("status", "x") },
			"save":   func(db *gorm.DB) *gorm.DB { return db.Save(&Order{ID: 1, Status: "x"}) },
			"delete": func(db *gorm.DB) *gorm.DB { return db.Delete(&Order{ID: 1}) },
		} {
			err := do(db).Error
			if err == nil || !strings.HasPrefix(err.Error(), "publishing a change of Order: GORM runs it without a transaction") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := state(t, db); after != before {
			t.Errorf("the rows changed from\n%s to\n%s", before, after)
		}
		if err := db.Create(&Plain{Name: "x"}).Error; err != nil {
			t.Errorf("a model that publishes nothing: %v", err)
		}
		if err := gormoutbox.Without(db).Create(&Order{Status: "quiet"}).Error; err != nil {
			t.Errorf("a change without messages: %v", err)
		}
	}
}

// TestRollbackTakesMessagesBack also goes back to a savepoint.
func TestRollbackTakesMessagesBack(t *testing.T) {
	db := open(t, database(t), "pgx", &gorm.Config{})
	err := db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&Tag{Name: "kept"}).Error; err != nil {
			return err
		}
		inner := tx.Transaction(func(tx *gorm.DB) error {
			if err := tx.Create(&Tag{Name: "taken back"}).Error; err != nil {
				return err
			}
			return errHook
		})
		if !errors.Is(inner, errHook) {
			t.Errorf("the inner transaction ended with %v", inner)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := take(t, db); !slices.Equal(got, []string{"tag.created kept"}) {
		t.Errorf("published %q", got)
	}
}

func TestPluginIsUsedOnce(t *testing.T) {
	db := open(t, database(t), "pgx", &gorm.Config{})
	if err := db.Use(gormoutbox.New(nil)); !errors.Is(err, gorm.ErrRegistered) {
		t.Errorf("using it again: %v, want %v", err, gorm.ErrRegistered)
	}
}

// TestOtherOutbox also carries the context's headers.
func TestOtherOutbox(t *testing.T) {
	url := database(t)
	db := open(t, url, "pgx", &gorm.Config{})
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	box, err := outbox.New("other")
	if err != nil {
		t.Fatal(err)
	}
	sql, err := outbox.SQL("other", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.ExecContext(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	other, err := gorm.Open(db.Dialector, &gorm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Use(gormoutbox.New(box)); err != nil {
		t.Fatal(err)
	}
	ctx := outbox.ContextWithHeader(t.Context(), "X-Tenant-Id", "7")
	if err := other.WithContext(ctx).Create(&Tag{Name: "red"}).Error; err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := db.Raw("SELECT topic || (headers->>'X-Tenant-Id') FROM other.message").Scan(&got).Error; err != nil || !slices.Equal(got, []string{"tags7"}) {
		t.Errorf("in the other outbox is %q, %v", got, err)
	}
	if got := take(t, db); len(got) > 0 {
		t.Errorf("in the default outbox is %q", got)
	}
}
