package main

// contract.go holds the request that is judged by a contract, and the contract.

import (
	"os"
	"path/filepath"
	"strconv"
)

// orderDocument describes the POST of an order as an API would: nested objects, an array,
// bounds, an enumeration, a pattern and formats.
const orderDocument = `openapi: 3.1.0
info: {title: Orders, version: 1.0.0}
paths:
  /orders/{orderId}:
    post:
      operationId: postOrder
      parameters:
        - {name: orderId, in: path, required: true, schema: {type: integer, minimum: 1}}
        - {name: notify, in: query, schema: {type: boolean}}
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Order'}
      responses:
        '200': {description: It is stored.}
components:
  schemas:
    Order:
      type: object
      required: [id, customer, currency, items, shipTo, billTo, placedAt]
      additionalProperties: false
      properties:
        id: {type: string, format: uuid}
        customer: {type: string, pattern: '^C[0-9]{8}$'}
        email: {type: string, format: email}
        currency: {type: string, enum: [EUR, USD, GBP, CHF]}
        total: {type: number, minimum: 0, multipleOf: 0.01}
        placedAt: {type: string, format: date-time}
        express: {type: boolean}
        note: {type: [string, 'null'], maxLength: 500}
        shipTo: {$ref: '#/components/schemas/Address'}
        billTo: {$ref: '#/components/schemas/Address'}
        items:
          type: array
          minItems: 1
          maxItems: 100
          items: {$ref: '#/components/schemas/Item'}
    Address:
      type: object
      required: [name, street, city, country]
      properties:
        name: {type: string, minLength: 1, maxLength: 100}
        street: {type: string, minLength: 1, maxLength: 100}
        zip: {type: string, maxLength: 12}
        city: {type: string, minLength: 1, maxLength: 100}
        country: {type: string, minLength: 2, maxLength: 2}
    Item:
      type: object
      required: [sku, quantity, price]
      properties:
        sku: {type: string, pattern: '^[A-Z]{3}-[0-9]{4}$'}
        title: {type: string, maxLength: 200}
        quantity: {type: integer, minimum: 1, maximum: 1000}
        price: {type: number, minimum: 0}
`

// orderBody is an order of about 1 KB.
const orderBody = `{"id":"5f0c2b1e-8a5d-4c7e-9f3b-2d6a1c0e4b7f","customer":"C00417533","email":"jane.doe@example.com",` +
	`"currency":"EUR","total":184.35,"placedAt":"2026-03-14T09:26:53Z","express":true,"note":"Please ring twice and leave it with the neighbour.",` +
	`"shipTo":{"name":"Jane Doe","street":"12 Long Street","zip":"10115","city":"Berlin","country":"DE"},` +
	`"billTo":{"name":"Doe & Sons Ltd.","street":"200 Market Square","zip":"20095","city":"Hamburg","country":"DE"},"items":[` +
	`{"sku":"TEA-0012","title":"Green tea, second flush, 250 g","quantity":2,"price":18.5},` +
	`{"sku":"POT-0450","title":"Teapot, cast iron, 0.8 l","quantity":1,"price":74.9},` +
	`{"sku":"CUP-1207","title":"Cup, stoneware, blue glaze","quantity":4,"price":9.95},` +
	`{"sku":"BOX-0033","title":"Gift box with ribbon and a card for a few words","quantity":1,"price":6.5},` +
	`{"sku":"CAN-2204","title":"Canister, tin plate, airtight, for 500 g of tea leaves","quantity":2,"price":12.25},` +
	`{"sku":"TEA-0107","title":"Earl Grey with oil of real bergamot, 100 g","quantity":3,"price":7.05}]}`

// writeContract writes the document into dir and returns its path.
func writeContract(dir string) (string, error) {
	file := filepath.Join(dir, "orders.yaml")
	return file, os.WriteFile(file, []byte(orderDocument), 0o600)
}

// request is what the load generator sends in a variant.
func (v variant) request(address string) []byte {
	method, headers, body := "GET", "", ""
	if v.post {
		method, body = "POST", orderBody
		headers = "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(orderBody)) + "\r\n"
	}
	return []byte(method + " /orders/17 HTTP/1.1\r\nHost: " + address +
		"\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n" + headers + "\r\n" + body)
}
