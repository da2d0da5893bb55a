import { SelectoError } from "../../src/errors.ts"

/** The coded error that work fails with. Any other error, and success, fail the test. */
export async function failure(work: Promise<unknown>): Promise<SelectoError> {
  try {
    await work
  } catch (error) {
    if (error instanceof SelectoError) return error
    throw error
  }
  throw new Error("This should have failed.")
}
