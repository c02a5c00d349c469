import { Settings } from '@/features/settings/settings'
import { useTitle } from '../use-title'

export function SettingsPage() {
  useTitle('Settings')
  return <Settings />
}
