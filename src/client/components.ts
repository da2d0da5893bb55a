import { type Component, changesComponent } from "../changes/index.ts"
import { monitorComponent } from "../monitor/history-schema.ts"
import { viewsComponent } from "../views/index.ts"

/** Every component that this version may keep in schema `selecto`. */
export const components: readonly Component[] = [changesComponent, monitorComponent, viewsComponent]
