-- orders.sql orders four things. An order and its message are written together.
CREATE TABLE IF NOT EXISTS orders (item text PRIMARY KEY, quantity int NOT NULL);

BEGIN;
INSERT INTO orders (item, quantity) VALUES ('chair', 1), ('lamp', 2), ('desk', 1), ('rug', 0);
SELECT outbox.enqueue(topic => 'orders', key => item, type => 'order.placed', payload => to_jsonb(orders)) FROM orders;
COMMIT;
