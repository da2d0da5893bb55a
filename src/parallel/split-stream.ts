import type { Database } from "../database/database.ts"
import type { Request } from "../execution/request.ts"
import type { Decision } from "./decide.ts"
import type { Settled } from "./option.ts"

export function splitStream(_database: Database, request: Request, _decision: Decision, _options: Settled): Request {
  return request
}
