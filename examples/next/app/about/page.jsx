import { describe } from '../../lib/database.js'

// Rendered by the build, in a process of its own.
export default function About() {
  return <p>Connected with {describe()}.</p>
}
