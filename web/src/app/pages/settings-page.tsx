import { Settings } from '@/features/settings/settings'
import { useTitle } from '../title'

export function SettingsPage() {
  useTitle('Settings')
  return <Settings />
}
