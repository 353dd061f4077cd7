package gormoutbox_test

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/outbox/gormoutbox"
)

type Order struct {
	ID     uint   `json:"id"`
	Status string `json:"status"`
	Items  []Item `json:"-"`
	Tags   []Tag  `json:"-" gorm:"many2many:order_tags"`
}

func (o *Order) OutboxMessages(_ context.Context, op gormoutbox.Op) ([]outbox.Message, error) {
	payload, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return []outbox.Message{{
		Topic: "orders", Key: fmt.Sprint(o.ID), Type: "order." + op.String(), Payload: payload,
	}}, nil
}

func ExampleNew() {
	db, err := gorm.Open(postgres.Open("postgres://orders_service@localhost/orders"), &gorm.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := db.Use(gormoutbox.New(nil)); err != nil {
		fmt.Println(err)
		return
	}
	// The row and its message, or neither.
	if err := db.Create(&Order{Status: "new"}).Error; err != nil {
		fmt.Println(err)
	}
}
