import { Directory } from '@/features/rooms/directory'
import { useTitle } from '../title'

export function DirectoryPage() {
  useTitle('Browse rooms')
  return <Directory />
}
