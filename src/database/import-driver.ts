import { SelectoError } from "../errors.ts"

/**
 * Loads an optional package when it is first needed. Errors: E_DRIVER_MISSING, with the command that installs it; what goes wrong
 * inside an installed package is thrown as it is.
 */
export async function importDriver<Module>(name: string, load: () => Promise<unknown>): Promise<Module> {
  try {
    return (await load()) as Module
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string }
    if ((code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") && message?.includes(name)) {
      throw new SelectoError("E_DRIVER_MISSING", `The package ${name} is not installed. Run: npm install ${name}`, {
        cause: error,
      })
    }
    throw error
  }
}
