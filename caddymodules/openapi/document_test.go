package openapi

// petsDocument is the contract of most tests.
const petsDocument = `
openapi: 3.1.0
info: {title: Pets, version: "1"}
paths:
  /pets:
    get:
      operationId: listPets
      parameters:
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}
        - {name: X-Tenant, in: header, schema: {type: string, minLength: 2}}
      responses:
        "200":
          description: all
          headers:
            X-Total: {required: true, schema: {type: integer}}
          content:
            application/json:
              schema: {type: array, items: {$ref: "#/components/schemas/Pet"}}
    post:
      operationId: addPet
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Pet"}
      responses:
        "201": {description: added}
        "204": {description: known}
  /pets/{petId}:
    parameters:
      - {name: petId, in: path, required: true, schema: {type: integer}}
    get:
      operationId: getPet
      responses:
        "200":
          description: one
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Pet"}
    put:
      operationId: putPet
      requestBody:
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Pet"}
          application/x-www-form-urlencoded:
            schema: {$ref: "#/components/schemas/Pet"}
      responses:
        default: {description: anything}
  /files:
    post:
      operationId: upload
      requestBody:
        content:
          application/octet-stream: {}
      responses:
        "200": {description: taken}
  /live:
    get:
      responses:
        "200":
          description: stream
          content:
            text/event-stream: {}
            application/json: {schema: {type: object}}
    post:
      operationId: call
      requestBody:
        content:
          application/json: {schema: {type: object}}
          application/grpc: {schema: {type: object}}
      responses:
        "200": {description: done}
components:
  schemas:
    Pet:
      type: object
      required: [name]
      properties:
        name: {type: string, minLength: 1, maxLength: 20}
        age: {type: integer, minimum: 0}
`
