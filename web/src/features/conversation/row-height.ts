import { bodyOf, type Row } from './rows'

const LINE_PX = 22
const ROW_PX = 4
const HEAD_PX = 32
const SYSTEM_PX = 32
/** In a wide window; where lines are shorter, rows are measured as higher than they were taken to be. */
const LINE_CHARS = 90

/**
 * What a row is taken to be until it is measured. Right for a short line: such a row needs no second commit. Asked of all that
 * were not measured with each change of the list.
 */
export function rowHeight(row: Pick<Row, 'item' | 'entry'>, head: boolean): number {
  if (row.item && row.item.kind !== 'message') return SYSTEM_PX
  const lines = bodyOf(row)
    .split('\n')
    .reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / LINE_CHARS)), 0)
  return (head ? HEAD_PX : ROW_PX) + lines * LINE_PX
}
