package contractdiff

// shop30 and shop31 are documents of this project's own, with the styles and keywords that the shared ones do not use.

const shop30 = `openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /pets:
    get:
      parameters:
      - {name: price, in: query, schema: {type: number, minimum: 0}}
      - {name: ids, in: query, explode: false, schema: {type: array, minItems: 1, items: {type: integer}}}
      - name: words
        in: query
        style: spaceDelimited
        explode: false
        schema: {type: array, items: {type: string, maxLength: 3}}
      - {name: bars, in: query, style: pipeDelimited, explode: false, schema: {type: array, items: {type: integer}}}
      - name: filter
        in: query
        style: deepObject
        explode: true
        schema: {type: object, required: [a], properties: {a: {type: integer}, b: {type: string, enum: [x, y]}}}
      - name: pair
        in: query
        explode: false
        schema: {type: object, properties: {a: {type: integer}, b: {type: boolean}}}
      - name: json
        in: query
        content: {application/json: {schema: {type: object, required: [a], properties: {a: {type: integer}}}}}
      - {name: X-Count, in: header, schema: {type: integer, maximum: 5}}
      - {name: X-List, in: header, schema: {type: array, items: {type: integer}}}
      - {name: session, in: cookie, schema: {type: integer}}
      responses: {"200": {description: ok}}
    post:
      parameters:
      - {name: limit, in: query, schema: {type: integer, format: int32, minimum: 1, maximum: 100}}
      - {name: page, in: query, schema: {type: integer}}
      - {name: price, in: query, schema: {type: number, minimum: 0}}
      - {name: exact, in: query, schema: {type: boolean}}
      - {name: sort, in: query, schema: {type: string, enum: [name, age]}}
      - {name: tags, in: query, schema: {type: array, maxItems: 3, items: {type: string, minLength: 1, maxLength: 5}}}
      - {name: ids, in: query, explode: false, schema: {type: array, items: {type: integer}}}
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/pet'}
            examples:
              all: {$ref: '#/components/examples/pet'}
              few: {value: {name: Rex, contact: {number: 5, day: '2024-02-29'}, note: true, code: abc}}
      responses:
        "200":
          description: ok
          headers: {X-Left: {schema: {type: integer}}}
          content: {application/json: {schema: {$ref: '#/components/schemas/pet'}, example: {id: 5, name: Rex, age: 3}}}
  /labels/{id}/{list}:
    get:
      parameters:
      - {name: id, in: path, required: true, style: label, schema: {type: integer}}
      - {name: list, in: path, required: true, style: matrix, explode: true, schema: {type: array, items: {type: integer}}}
      responses: {"200": {description: ok}}
  /lists/{list}.{ext}:
    get:
      parameters:
      - {name: list, in: path, required: true, schema: {type: array, items: {type: integer}}}
      - {name: ext, in: path, required: true, schema: {type: string, enum: [json, xml]}}
      responses: {"200": {description: ok}}
  /animals:
    put:
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/animal'}}}}
      responses: {"200": {description: ok}}
components:
  examples:
    pet:
      value:
        name: Rex
        tag: abc
        age: 3
        weight: 2.5
        born: '2024-02-29'
        kind: cat
        size: 2
        toys: [ball, bone]
        owner: {id: 7, mail: x, extra: {a: 1}}
        parent: {name: Max, parent: {name: Ida}}
        code: 1000
        note: none
        odd: 5
        both: {a: 1, b: 2}
        few: {a: 1}
        any: [null, {}]
        word: abc
        mail: ada@example.com
        data: c29tZSBieXRlcw==
        contact: {mail: ada@example.com, since: '2024-02-29T23:59:59Z', free: 1}
  schemas:
    pet:
      type: object
      required: [name]
      properties:
        id: {type: integer, format: int64, readOnly: true}
        secret: {type: string, writeOnly: true}
        name: {type: string, minLength: 1, maxLength: 10}
        tag: {type: string, nullable: true, pattern: '^[a-z]+$'}
        age: {type: integer, format: int32, minimum: 0, maximum: 40}
        weight: {type: number, minimum: 0, exclusiveMinimum: true, multipleOf: 0.5}
        born: {type: string, format: date}
        kind: {type: string, enum: [cat, dog]}
        size: {type: integer, enum: [1, 2, 3], nullable: true}
        toys: {type: array, maxItems: 3, uniqueItems: true, items: {type: string}}
        owner: {$ref: '#/components/schemas/owner'}
        parent: {$ref: '#/components/schemas/pet'}
        code: {oneOf: [{type: string, maxLength: 3}, {type: integer, minimum: 1000}]}
        note: {anyOf: [{type: boolean}, {type: string, minLength: 2}]}
        odd: {not: {type: string}}
        both:
          allOf:
          - {type: object, properties: {a: {type: integer}}, required: [a]}
          - {type: object, properties: {b: {type: integer}}}
        few: {type: object, minProperties: 1, maxProperties: 2, additionalProperties: {type: integer}}
        any: {}
        word: {type: string, pattern: '^\S+$'}
        mail: {type: string, format: email}
        data: {type: string, format: byte}
        contact: {type: object, oneOf: [{$ref: '#/components/schemas/company'}, {$ref: '#/components/schemas/person'}]}
    company:
      type: object
      additionalProperties: false
      required: [number]
      properties: {number: {type: integer, format: int64}, day: {type: string, format: date}}
    person:
      type: object
      nullable: true
      additionalProperties: false
      required: [mail]
      properties: {mail: {type: string, format: email}, since: {type: string, format: date-time}, free: {}}
    owner:
      type: object
      additionalProperties: false
      required: [id]
      properties:
        id: {type: integer, format: int64}
        mail: {type: string}
        extra: {type: object, additionalProperties: {type: integer}}
    animal:
      oneOf: [{$ref: '#/components/schemas/cat'}, {$ref: '#/components/schemas/dog'}]
      discriminator: {propertyName: type, mapping: {kitten: '#/components/schemas/cat'}}
    cat: {type: object, required: [type], properties: {type: {type: string, enum: [cat, kitten]}, lives: {type: integer}}}
    dog: {type: object, required: [type, bark], properties: {type: {type: string, enum: [dog]}, bark: {type: boolean}}}
`

const shop31 = `openapi: 3.1.0
info: {title: t, version: '1'}
paths:
  /pets:
    get:
      parameters:
      - {name: limit, in: query, schema: {type: [integer, "null"], exclusiveMinimum: 0}}
      - {name: text, in: query, style: form, explode: true, schema: {type: string}}
      - {name: X-Name, in: header, required: true, schema: {type: string}}
      responses: {"200": {description: ok}}
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/pet'}
            example:
              name: Rex
              weight: 2.5
              kind: cat
              born: '2024-02-29T23:59:59Z'
              pair: [1, x]
              toys: [bone, ball]
              owner: {id: 5, mail: x}
              parent: {name: null}
              size: 12
              codes: {x-a: 1}
              names: {a: 1}
              always: [null]
      responses:
        "200":
          description: ok
          content:
            application/json: {schema: {$ref: '#/components/schemas/pet'}, example: {id: 5, name: Rex, size: ab}}
  /either:
    get:
      parameters:
      - {name: either, in: query, schema: {type: [integer, boolean]}}
      responses: {"200": {description: ok}}
  /fixed:
    get:
      parameters:
      - {name: fixed, in: query, required: true, schema: {const: 5}}
      responses: {"200": {description: ok}}
  /animals:
    put:
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/animal'}}}}
      responses: {"200": {description: ok}}
components:
  schemas:
    pet:
      type: object
      required: [name]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: [string, "null"], minLength: 1, maxLength: 10}
        weight: {type: number, exclusiveMinimum: 0, exclusiveMaximum: 100}
        kind: {const: cat}
        born: {type: string, format: date-time}
        pair: {type: array, prefixItems: [{type: integer}, {type: string}], items: false}
        toys: {type: array, contains: {const: ball}, minContains: 1, maxContains: 2, items: {type: string}}
        owner: {$ref: '#/components/schemas/owner', description: sibling, required: [mail]}
        parent: {$ref: '#/components/schemas/pet'}
        size: {if: {type: integer}, then: {minimum: 10}, else: {type: string, maxLength: 2}}
        codes: {type: object, patternProperties: {'^x-': {type: integer}}, additionalProperties: false}
        names: {type: object, propertyNames: {maxLength: 3}, additionalProperties: {type: integer}}
        never: false
        always: true
      dependentRequired: {weight: [kind]}
    owner:
      allOf: [{$ref: '#/components/schemas/base'}]
      properties: {mail: {type: string}}
      unevaluatedProperties: false
    base: {type: object, required: [id], properties: {id: {type: integer}}}
    animal:
      oneOf: [{$ref: '#/components/schemas/cat'}, {$ref: '#/components/schemas/dog'}]
      discriminator: {propertyName: type}
    cat: {type: object, required: [type], properties: {type: {type: string, const: cat}, lives: {type: integer}}}
    dog: {type: object, required: [type, bark], properties: {type: {type: string, const: dog}, bark: {type: boolean}}}
`
